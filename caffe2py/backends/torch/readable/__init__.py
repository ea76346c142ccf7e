"""The readable style: classes for what repeats, the arithmetic of widths, nothing said twice."""
