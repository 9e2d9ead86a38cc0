"""Messages of the service, made from protos/frbench/v1 by `make protos`; only `frbench.service.wire` reads and writes them."""
