"""An oracle of conversion: from delivered files to published voxels, by code of its own."""
