"""`kubectl edgewise package`: from the files of a new version to what 400 devices behind bad links fetch of it."""
