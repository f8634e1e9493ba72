"""Several views of the same images: where they err together, and what one of them tells of the other."""
