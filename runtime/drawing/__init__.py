"""What is known of faces, drawn onto the pictures and frames that they are of."""
