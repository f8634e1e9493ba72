"""Views of the same images: whether they are fit for co-training, from predictions and from their vectors."""
