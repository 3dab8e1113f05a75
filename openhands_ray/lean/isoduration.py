raise ModuleNotFoundError(f"{__name__} is hidden from Ray's own processes", name=__name__)
