"""Data sources of Tableau: a .tds file for each published mart."""

from pathlib import Path
from xml.etree import ElementTree

from sales_warehouse.bi.classify import Use, choose_use, write_caption
from sales_warehouse.bi.read_marts import Column, Mart
from sales_warehouse.bi.server_address import Address

_SCHEMA = "published"
_CONNECTION = "postgres.warehouse"
_TYPES = {
    "integer": "integer",
    "decimal": "real",
    "boolean": "boolean",
    "date": "date",
    "instant": "datetime",
    "text": "string",
}
# numbers that OLE DB gives to types; Tableau reads them again when it connects
_REMOTE_TYPES = {"integer": "20", "decimal": "131", "boolean": "11", "date": "7", "instant": "135", "text": "130"}
# Attribute shows a value only where all rows have the same one, so a rate is never added up or averaged
_AGGREGATIONS = {"sum": "Sum", "average": "Avg", "none": "Attribute"}


def write_tableau(marts: list[Mart], address: Address, folder: Path) -> list[Path]:
    """Write a .tds file for each mart into a folder that exists; return the files."""
    paths = []
    for mart in marts:
        document = ElementTree.ElementTree(_describe_mart(mart, address))
        ElementTree.indent(document)
        paths.append(folder / f"{mart.name}.tds")
        document.write(paths[-1], encoding="utf-8", xml_declaration=True)
    return paths


def _describe_mart(mart: Mart, address: Address) -> ElementTree.Element:
    # the order of elements is Tableau's
    root = ElementTree.Element(
        "datasource",
        {
            "formatted-name": f"federated.{mart.name}",
            "caption": write_caption(mart.name),
            "inline": "true",
            "version": "18.1",
        },
    )
    uses = {column.name: choose_use(column) for column in mart.columns}
    _describe_connection(root, mart, address, uses)
    ElementTree.SubElement(root, "aliases", {"enabled": "yes"})
    for column in mart.columns:
        _describe_column(root, column, uses[column.name])
    listed = ElementTree.SubElement(root, "folders-common")
    for name in dict.fromkeys(use.folder for use in uses.values()):
        one = ElementTree.SubElement(listed, "folder", {"name": name})
        for column in mart.columns:
            if uses[column.name].folder == name:
                ElementTree.SubElement(one, "folder-item", {"name": f"[{column.name}]", "type": "field"})
    ElementTree.SubElement(
        root, "layout", {"dim-ordering": "alphabetic", "measure-ordering": "alphabetic", "show-structure": "true"}
    )
    return root


def _describe_connection(root: ElementTree.Element, mart: Mart, address: Address, uses: dict[str, Use]) -> None:
    federated = ElementTree.SubElement(root, "connection", {"class": "federated"})
    named = ElementTree.SubElement(
        ElementTree.SubElement(federated, "named-connections"),
        "named-connection",
        {"caption": address.host, "name": _CONNECTION},
    )
    ElementTree.SubElement(
        named,
        "connection",
        {
            "authentication": "username-password",
            "class": "postgres",
            "dbname": address.database,
            "port": str(address.port),
            "server": address.host,
            "username": "",
        },
    )
    ElementTree.SubElement(
        federated,
        "relation",
        {"connection": _CONNECTION, "name": mart.name, "table": f"[{_SCHEMA}].[{mart.name}]", "type": "table"},
    )
    records = ElementTree.SubElement(federated, "metadata-records")
    for ordinal, column in enumerate(mart.columns, 1):
        record = ElementTree.SubElement(records, "metadata-record", {"class": "column"})
        _describe_remote(record, mart.name, column, ordinal, uses[column.name])


def _describe_remote(record: ElementTree.Element, mart: str, column: Column, ordinal: int, use: Use) -> None:
    """Describe the column of the server; Tableau's library finds the default aggregation here, not at the column."""
    texts = {
        "remote-name": column.name,
        "remote-type": _REMOTE_TYPES[use.kind],
        "local-name": f"[{column.name}]",
        "parent-name": f"[{mart}]",
        "remote-alias": column.name,
        "ordinal": str(ordinal),
        "local-type": _TYPES[use.kind],
    }
    if use.is_measure:
        texts["aggregation"] = _AGGREGATIONS[use.aggregation]
    texts["contains-null"] = "true"
    for name, text in texts.items():
        ElementTree.SubElement(record, name).text = text


def _describe_column(root: ElementTree.Element, column: Column, use: Use) -> None:
    attributes = {
        "caption": write_caption(column.name),
        "datatype": _TYPES[use.kind],
        "name": f"[{column.name}]",
        "role": "measure" if use.is_measure else "dimension",
        "type": _choose_scale(use),
    }
    if use.is_measure:
        attributes["aggregation"] = _AGGREGATIONS[use.aggregation]
    described = ElementTree.SubElement(root, "column", attributes)
    text = ElementTree.SubElement(ElementTree.SubElement(described, "desc"), "formatted-text")
    ElementTree.SubElement(text, "run").text = column.description


def _choose_scale(use: Use) -> str:
    if use.is_measure:
        return "quantitative"
    return "ordinal" if use.kind in ("date", "instant", "integer") else "nominal"
