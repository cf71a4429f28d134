"""Checks a GraphQL query before it is sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gql import GraphQLRequest, gql
from graphql import (
    DocumentNode,
    GraphQLSyntaxError,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    VariableDefinitionNode,
)

from harness.core.errors import UnknownName, UserError


def parsed(
    text: str, variables: Mapping[str, Any], paging: Collection[str | None]
) -> tuple[GraphQLRequest, list[str]]:
    """The query in gql's form, and the variables that it declares.

    Args:
        variables: the values given by the user.
        paging: variables whose values change from page to page.

    Raises:
        UserError: it is not GraphQL, not a single query, or the variables do not fit it.
    """
    try:
        request = gql(text)
    except GraphQLSyntaxError as fault:
        line = fault.locations[0].line if fault.locations else 1
        reason = fault.message.removeprefix("Syntax Error: ").rstrip(".")
        raise UserError(
            f"data.extract.query is no GraphQL: {reason} in line {line}",
            "correct the query",
            key="data.extract.query",
        ) from None
    declared = _declared(request.document)
    for name in variables:
        if name not in declared:
            raise UnknownName(
                f"data.extract.variables gives {name!r}, which data.extract.query does not declare",
                name,
                declared,
                key="data.extract.variables",
            )
    for name, node in declared.items():
        needed = isinstance(node.type, NonNullTypeNode) and node.default_value is None
        if needed and name not in variables and name not in paging:
            raise UserError(
                f"data.extract.query needs the variable ${name}, which data.extract.variables does not give",
                f"add +data.extract.variables.{name}=VALUE",
                key="data.extract.query",
            )
    return request, list(declared)


def _declared(document: DocumentNode) -> dict[str, VariableDefinitionNode]:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation is not OperationType.QUERY:
        kinds = " and ".join(operation.operation.value for operation in operations) or "none"
        raise UserError(
            f"data.extract.query must hold one operation, a query, and it holds {kinds}",
            "leave the rest out",
            key="data.extract.query",
        )
    return {node.variable.name.value: node for node in operations[0].variable_definitions}
