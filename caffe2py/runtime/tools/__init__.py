"""What Caffe's command and its small tools do: scores, times, databases of pictures, means, features."""
