"""data/extract=graphql: the rows of a GraphQL query, page by page."""

from harness.data.extract.graphql.graphql_source import Graphql

__all__ = ["Graphql"]
