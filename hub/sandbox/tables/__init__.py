"""Objects as rows of a Table: what `kubectl get` prints. Pure."""

from hub.sandbox.tables.printers import Printer, custom_printer, printer_of, scale_printer

__all__ = ["Printer", "custom_printer", "printer_of", "scale_printer"]
