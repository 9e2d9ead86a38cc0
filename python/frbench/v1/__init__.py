"""Messages of the service, made from protos/frbench/v1 by `make protos`; `service.wire` reads and writes them."""
