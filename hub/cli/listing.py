"""Lists resources of one kind: as a table, as JSON or YAML, once or as they change."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from agent.kit.tasks import Tasks
from agent.kube.api import Api, Change, Listing, Object
from agent.kube.errors import Expired
from hub.cli import output
from hub.cli.applying import listed
from hub.cli.client import Caller, Failed
from hub.cli.output import Format
from hub.cli.views import View, condition


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What the options of a listing said."""

    name: str = ""
    all_namespaces: bool = False
    watch: bool = False
    no_header: bool = False
    selector: str = ""
    status_selector: str = ""
    form: Format = Format.TABLE


def list_options(*, named: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of a listing, handed over as one `ListOptions`."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(
            *args: Any,
            all_namespaces: bool,
            watch: bool,
            no_header: bool,
            selector: str,
            status_selector: str,
            form: str,
            name: str | None = None,
            **given: Any,
        ) -> Any:
            options = ListOptions(
                name=name or "",
                all_namespaces=all_namespaces,
                watch=watch,
                no_header=no_header,
                selector=selector,
                status_selector=status_selector,
                form=Format(form),
            )
            return command(*args, options=options, **given)

        decorated: Callable[..., Any] = run
        for option in (
            output_option,
            click.option(
                "--status-selector",
                default="",
                metavar="TYPE=STATUS",
                help="Only those whose condition says so: ready=false, ready!=true.",
            ),
            click.option(
                "-l",
                "--label-selector",
                "selector",
                default="",
                metavar="SELECTOR",
                help="Only those with these labels.",
            ),
            click.option("--no-header", is_flag=True, help="Leave out the line of column names."),
            click.option("-w", "--watch", is_flag=True, help="Go on printing what changes."),
            click.option("-A", "--all-namespaces", is_flag=True, help="Of all namespaces."),
        ):
            decorated = option(decorated)
        return click.argument("name", required=False)(decorated) if named else decorated

    return add


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-o`, handed over as the text `form`."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice([one.value for one in Format]),
        default=Format.TABLE.value,
        help="How to print.",
    )(command)


async def show(caller: Caller, api: Api, view: View, options: ListOptions) -> None:
    """List one kind. Raises Failed when there is nothing to list."""
    listing = await read(caller, api, view, options)
    items = chosen(listing.items, options)
    if not items and not options.watch:
        elsewhere = "" if options.all_namespaces else "; -A looks in all of them"
        place = "any" if options.all_namespaces else f'"{caller.namespace}"'
        raise Failed(
            f"{view.kind} object '{options.name}' not found in {place} namespace{elsewhere}"
            if options.name
            else f"no {view.kind} objects found in {place} namespace{elsewhere}"
        )
    print_items(view, items, options)
    if options.watch:
        await _follow(caller, api, view, options, listing)


async def show_all(caller: Caller, api: Api, views: tuple[View, ...], options: ListOptions) -> None:
    """List several kinds, each in its table, and then what changes of any of them."""
    everything: list[Object] = []
    listings = await _read_served(caller, api, views, options)
    for view, listing in listings:
        items = chosen(listing.items, options)
        everything += items
        if items and options.form is Format.TABLE:
            print_items(view, items, options, prefix=_prefix(view))
            click.echo()
    if options.form is not Format.TABLE:
        output.data(as_list(everything), options.form)
    if options.watch:
        async with Tasks() as tasks:
            for view, listing in listings:
                following = _follow(caller, api, view, options, listing, prefix=_prefix(view))
                tasks.start(following, name=f"follow-{view.kind}")
            await tasks.wait_for_failure()
    elif not everything and options.form is Format.TABLE:
        output.warning(
            f"no objects found in {'any' if options.all_namespaces else caller.namespace} namespace"
        )


async def _read_served(
    caller: Caller, api: Api, views: tuple[View, ...], options: ListOptions
) -> list[tuple[View, Listing]]:
    """Read the kinds that the server knows. Raises Failed when it knows none."""
    found: list[tuple[View, Listing]] = []
    unknown: Failed | None = None
    for view in views:
        try:
            found.append((view, await read(caller, api, view, options)))
        except Failed as problem:
            unknown = problem
    if unknown is not None and not found:
        raise unknown
    return found


def _prefix(view: View) -> str:
    return f"{view.kind.lower()}/"


async def read(caller: Caller, api: Api, view: View, options: ListOptions) -> Listing:
    """Return the objects of a kind that the server selects."""
    return await listed(
        api,
        view.resource,
        "" if options.all_namespaces else caller.namespace,
        label_selector=options.selector,
        field_selector=f"metadata.name={options.name}" if options.name else "",
    )


def chosen(items: list[Object], options: ListOptions) -> list[Object]:
    """Return the objects whose condition the status selector names; an absent condition equals nothing."""
    if not options.status_selector:
        return items
    type_, equals, status = options.status_selector.partition("=")
    if not (type_.rstrip("!") and equals and status):
        raise Failed(f"{options.status_selector!r} is no status selector; write ready=false or ready!=true")
    wanted = not type_.endswith("!")
    return [one for one in items if _says(one, type_.rstrip("!"), status) is wanted]


def print_items(view: View, items: list[Object], options: ListOptions, *, prefix: str = "") -> None:
    """Print objects in the form asked for."""
    if options.form is not Format.TABLE:
        documents = [without_managed_fields(one) for one in items]
        output.data(documents[0] if options.name and len(items) == 1 else as_list(items), options.form)
        return
    header = (*(("namespace",) * options.all_namespaces), "name", *view.header)
    rows = [
        (
            *((one["metadata"]["namespace"],) * options.all_namespaces),
            prefix + one["metadata"]["name"],
            *view.cells(one),
        )
        for one in items
    ]
    output.table(header, rows, with_header=not options.no_header)


def as_list(items: list[Object]) -> Object:
    """Return objects as one, as kubectl does."""
    return {"apiVersion": "v1", "kind": "List", "items": [without_managed_fields(one) for one in items]}


def without_managed_fields(one: Object) -> Object:
    """Return an object without what nobody reads."""
    metadata = {key: value for key, value in one["metadata"].items() if key != "managedFields"}
    return one | {"metadata": metadata}


async def _follow(
    caller: Caller, api: Api, view: View, options: ListOptions, listing: Listing, *, prefix: str = ""
) -> None:
    """Print every change until the command is interrupted."""
    version = listing.resource_version
    while True:
        try:
            async for event in api.watch(
                view.resource,
                "" if options.all_namespaces else caller.namespace,
                resource_version=version,
                label_selector=options.selector,
                field_selector=f"metadata.name={options.name}" if options.name else "",
            ):
                version = event.object["metadata"]["resourceVersion"]
                if event.change in (Change.ADDED, Change.MODIFIED):
                    items = chosen([event.object], options)
                    if items:
                        print_items(view, items, _without_header(options), prefix=prefix)
        except Expired:
            version = (await read(caller, api, view, options)).resource_version


def _without_header(options: ListOptions) -> ListOptions:
    return ListOptions(
        name=options.name,
        all_namespaces=options.all_namespaces,
        no_header=True,
        form=options.form,
    )


def _says(one: Object, type_: str, status: str) -> bool:
    found = condition(one, type_)
    return found is not None and str(found["status"]).lower() == status.lower()
