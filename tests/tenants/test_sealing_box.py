"""A box seals many blobs of one place; what it seals opens at that place alone."""

import pytest

from tenants.ids import new_id
from tenants.models import Tenant
from tenants.sealing import Box, Context, Undecryptable, open_sealed, seal

pytestmark = pytest.mark.django_db


@pytest.fixture
def place() -> Context:
    tenant = Tenant.objects.create(slug="acme", name="Acme")
    return Context(tenant.pk, "providers_job", new_id(), "frames")


def test_what_a_box_seals_opens_through_the_door_and_the_other_way_round(place):
    box = Box(place)
    assert open_sealed(box.seal(b"one"), place) == b"one"
    assert box.open(seal(b"two", place)) == b"two"


def test_a_box_needs_no_database_for_what_it_sealed(place, django_assert_num_queries):
    box = Box(place)
    with django_assert_num_queries(0):
        blob = box.seal(b"one")
        assert box.knows(blob)
        assert box.open(blob) == b"one"


def test_a_blob_of_another_row_does_not_open(place):
    elsewhere = Context(place.tenant_id, place.table, new_id(), place.field)
    with pytest.raises(Undecryptable):
        Box(elsewhere).open(Box(place).seal(b"one"))
