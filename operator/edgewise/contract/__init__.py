"""Documents the operator and the runtime exchange. Python 3.10-clean: JetPack's Python reads them too."""
