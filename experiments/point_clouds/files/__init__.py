"""Files of meshes and clouds of points."""
