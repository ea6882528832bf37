"""Trustless gateways, asked over HTTP: each part is used by `gateway_store`."""
