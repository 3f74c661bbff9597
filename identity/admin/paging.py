"""Lists that cost the same whatever the size of the table: keys first, up to a bound, and then the rows of one page."""

from typing import TYPE_CHECKING, cast

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import InvalidPage, Paginator
from django.http import HttpRequest

if TYPE_CHECKING:
    from identity.admin.panel import PanelAdmin

REACH = 1000
"""Rows that can be paged through: whoever looks for one of a million narrows the list down."""


class BoundedChangeList(ChangeList):
    """One statement finds the keys, a second reads the rows of the page with all that its columns show."""

    has_more = False

    def get_results(self, request: HttpRequest) -> None:
        keys = list(self.queryset.values_list("pk", flat=True)[: REACH + 1])
        self.has_more = len(keys) > REACH
        del keys[REACH:]
        paginator = Paginator(keys, self.list_per_page)
        try:
            shown = list(paginator.page(self.page_num).object_list)
        except InvalidPage:
            raise IncorrectLookupParameters from None
        panel = cast("PanelAdmin", self.model_admin)
        found = panel.described(self.apply_select_related(self.root_queryset)).in_bulk(shown)
        self.result_list = [found[key] for key in shown if key in found]
        self.result_count, self.paginator = len(keys), paginator
        self.full_result_count, self.show_full_result_count, self.show_admin_actions = None, False, False
        self.can_show_all, self.multi_page = False, len(keys) > self.list_per_page
