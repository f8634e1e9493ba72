"""Methods for few labels and several encoders: views of the same images that teach each other."""
