"""Co-training: which rows of a pool each view is taught, with which labels, from what the other views say."""
