"""What of the product is for arm64, on whatever machine: wheels, images, the runtime really run."""
