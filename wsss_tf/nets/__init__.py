"""Networks: the VGG-16 backbone, the FCN, the CAM network, and how their weights start."""
