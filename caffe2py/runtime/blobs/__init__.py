"""What layers read and write: the numbers (`memory`), and a view of them in a shape (`blob`)."""
