"""An email address is invited; whoever proves to own it may join, once, as what the sender may still give."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from tenants.actors import SYSTEM
from tenants.members import change_role, remove_member
from tenants.models import AuditEvent, IdempotencyRecord, Invitation, Membership, User
from tenants.registration import suspend_tenant
from tests.factories import PASSWORD, ApiClient, bearer, make_user

pytestmark = pytest.mark.django_db

APP = "/_allauth/app/v1"
JO = "jo@acme.example"


@pytest.fixture
def invite(acme, django_capture_on_commit_callbacks):
    def send(client=None, **body):
        with django_capture_on_commit_callbacks(execute=True):
            return (client or acme.client).post(f"{acme.path}/invitations", {"email": JO, **body})

    return send


def token_in_mail(place=-1):
    return re.search(r"/invitations/(\S+)", mail.outbox[place].body)[1]


def logged_in(user):
    browser = ApiClient()
    browser.force_login(user)
    return browser


def accept(token, user, **headers):
    return logged_in(user).post(f"/api/v1/invitations/{token}/accept", headers=headers)


def membership(team, user):
    return Membership.objects.for_tenant(team.id).filter(user=user).first()


class TestInviting:
    def test_the_email_leads_to_the_invitation(self, acme, invite):
        answer = invite(logged_in(acme.owner), role="admin")

        assert answer.status_code == 201
        assert (answer.json()["email"], answer.json()["role"]) == (JO, "admin")
        assert answer.json()["invited_by"]["email"] == acme.owner.email
        (email,) = mail.outbox
        assert email.to == [JO]
        assert "owner@acme.example invites you to join acme on Modelyard as admin." in email.body

    def test_it_is_listed_until_it_is_used(self, acme, invite):
        made = invite().json()
        listed = acme.client.get(f"{acme.path}/invitations").json()["results"]
        accept(token_in_mail(), make_user(JO))

        assert [one["id"] for one in listed] == [made["id"]]
        assert acme.client.get(f"{acme.path}/invitations").json()["results"] == []

    def test_the_location_leads_to_it(self, acme, invite):
        made = invite()

        shown = acme.client.get(made.headers["Location"]).json()
        assert shown["id"] == made.json()["id"]
        assert shown["sent_at"] is not None

    def test_the_token_stands_in_the_email_alone(self, acme, invite):
        made = invite()
        token = token_in_mail()

        assert token not in str(vars(Invitation.unscoped.get()))
        assert token not in made.content.decode()
        for path in ("/invitations", "/audit-events"):
            assert token not in acme.client.get(acme.path + path).content.decode()

    def test_an_address_is_the_same_in_whatever_case(self, acme, invite):
        invite(email="Jo@ACME.example")

        assert accept(token_in_mail(), make_user(JO)).status_code == 201

    def test_a_second_open_invitation_is_refused(self, acme, invite):
        invite()

        assert invite().json()["code"] == "already_invited"

    def test_an_expired_one_makes_room(self, acme, invite):
        invite()
        with time_machine.travel(timezone.now() + timedelta(days=8)):
            assert invite().status_code == 201

        assert Invitation.unscoped.count() == 1

    def test_a_member_is_not_invited(self, acme, invite):
        acme.person("viewer", JO)

        assert invite().json()["code"] == "already_member"

    @pytest.mark.parametrize(
        "body", [{"email": "nobody"}, {"email": None}, {"role": "god"}, {"expires_at": None}, {"token": "x"}], ids=str
    )
    def test_what_is_no_invitation_is_400(self, acme, invite, body):
        assert invite(**body).status_code == 400
        assert mail.outbox == []

    def test_a_mail_server_that_is_away_is_told_and_costs_nothing_else(self, acme, invite, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

        made = invite()

        assert made.status_code == 201
        assert acme.client.get(made.headers["Location"]).json()["sent_at"] is None

    def test_nobody_sends_spam_through_us(self, acme, invite):
        with time_machine.travel("2027-03-01T12:00:00Z", tick=False):
            answers = [invite(email=f"{number}@elsewhere.example").status_code for number in range(62)]

        assert answers == [201] * 60 + [429] * 2
        assert len(mail.outbox) == 60

    def test_at_most_so_many_are_open(self, acme, invite):
        soon = timezone.now() + timedelta(days=1)
        for number in range(100):
            row = Invitation(tenant=acme.tenant, email=f"{number}@x.example", role="viewer", expires_at=soon)
            row.token_digest = str(number)
            row.save()

        assert invite().json()["code"] == "conflict"


class TestRights:
    def test_an_admin_invites_anybody_but_owners(self, acme, invite):
        admin = acme.client_as("admin")

        assert invite(admin, role="admin").status_code == 201
        assert invite(admin, email="b@x.example", role="owner").status_code == 403

    def test_an_owner_invites_an_owner_in_person(self, acme, invite):
        key = ApiClient(headers=bearer(acme.key_of(acme.owner)))

        assert invite(key, role="owner").json()["code"] == "person_required"
        assert invite(logged_in(acme.owner), role="owner").status_code == 201

    def test_a_member_invites_nobody(self, acme, invite):
        assert invite(acme.client_as("member")).status_code == 403
        assert invite(logged_in(acme.person("member", "m@acme.example"))).status_code == 403

    def test_strangers_find_nothing(self, acme, globex, invite):
        made = invite().json()

        assert globex.client.get(f"{acme.path}/invitations").status_code == 404
        assert globex.client.delete(f"{globex.path}/invitations/{made['id']}").status_code == 404
        assert Invitation.unscoped.exists()

    def test_an_admin_does_not_withdraw_an_owners_invitation(self, acme, invite):
        made = invite(logged_in(acme.owner), role="owner").json()

        assert acme.client_as("admin").delete(f"{acme.path}/invitations/{made['id']}").status_code == 403


class TestAccepting:
    def test_the_person_becomes_a_member(self, acme, invite):
        invite(role="admin")
        jo = make_user(JO)

        answer = accept(token_in_mail(), jo)

        assert answer.status_code == 201
        assert (answer.json()["tenant"]["slug"], answer.json()["role"]) == ("acme", "admin")
        assert logged_in(jo).get(answer.headers["Location"]).json()["role"] == "admin"

    def test_it_works_once(self, acme, invite):
        invite()
        jo = make_user(JO)
        accept(token_in_mail(), jo)
        remove_member(membership(acme, jo), by=SYSTEM)

        assert accept(token_in_mail(), jo).status_code == 404

    def test_a_further_address_of_the_person_counts_once_it_is_proven(self, acme, invite):
        from allauth.account.models import EmailAddress

        invite()
        other = make_user("jo@home.example")
        row = EmailAddress.objects.create(user=other, email=JO, verified=False)
        unproven = accept(token_in_mail(), other)
        EmailAddress.objects.filter(pk=row.pk).update(verified=True)

        assert unproven.status_code == 404
        assert accept(token_in_mail(), other).status_code == 201

    def test_everybody_else_gets_the_same_404_as_for_no_invitation(self, acme, globex, invite):
        invite()
        theirs, none = accept(token_in_mail(), globex.owner), accept("x" * 43, globex.owner)

        assert theirs.status_code == none.status_code == 404
        assert {**theirs.json(), "request_id": ""} == {**none.json(), "request_id": ""}
        assert membership(acme, globex.owner) is None

    def test_nobody_is_401_and_a_key_is_403(self, acme, globex, invite):
        invite()
        path = f"/api/v1/invitations/{token_in_mail()}/accept"

        assert ApiClient().post(path).status_code == 401
        assert globex.client.post(path).json()["code"] == "person_required"

    def test_an_expired_one_opens_nothing(self, acme, invite):
        invite()
        jo = make_user(JO)

        with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
            assert accept(token_in_mail(), jo).status_code == 404

    def test_a_withdrawn_one_opens_nothing(self, acme, invite):
        made = invite().json()

        assert acme.client.delete(f"{acme.path}/invitations/{made['id']}").status_code == 204
        assert accept(token_in_mail(), make_user(JO)).status_code == 404

    def test_who_is_a_member_by_now_stays_what_they_are(self, acme, invite):
        invite(role="admin")
        jo = acme.person("viewer", JO)

        assert accept(token_in_mail(), jo).json()["code"] == "already_member"
        assert membership(acme, jo).role == "viewer"

    def test_a_suspended_tenant_takes_nobody_in(self, acme, invite):
        invite()
        suspend_tenant(acme.tenant, by=SYSTEM)

        assert accept(token_in_mail(), make_user(JO)).json()["code"] == "tenant_suspended"

    def test_a_body_with_fields_is_refused(self, acme, invite):
        invite()
        path = f"/api/v1/invitations/{token_in_mail()}/accept"

        assert logged_in(make_user(JO)).post(path, {"role": "owner"}).json()["code"] == "unknown_field"

    def test_the_same_request_sent_twice_gets_the_same_answer_and_stores_no_token(self, acme, invite):
        invite()
        jo = make_user(JO)
        first, second = (accept(token_in_mail(), jo, **{"Idempotency-Key": "join"}) for _ in range(2))

        assert first.json() == second.json()
        assert token_in_mail() not in IdempotencyRecord.objects.get().route

    def test_it_outlives_a_new_secret_key(self, acme, invite, settings):
        invite()
        jo = make_user(JO)
        client = logged_in(jo)
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz"

        assert client.post(f"/api/v1/invitations/{token_in_mail()}/accept").status_code == 201


class TestWhatItIsWorth:
    """Nobody who was shut out comes back by an invitation that they had sent themselves."""

    @pytest.fixture
    def admin(self, acme):
        return acme.person("admin", "admin@acme.example")

    def test_of_somebody_who_was_removed_nothing(self, acme, admin, invite):
        invite(logged_in(admin))
        remove_member(membership(acme, admin), by=SYSTEM)

        assert accept(token_in_mail(), make_user(JO)).status_code == 404

    def test_of_somebody_who_was_demoted_nothing(self, acme, admin, invite):
        invite(logged_in(admin))
        change_role(membership(acme, admin), role="member", by=SYSTEM)

        assert accept(token_in_mail(), make_user(JO)).status_code == 404

    def test_of_a_former_owner_not_an_owners_role(self, acme, invite):
        second = acme.person("owner", "second@acme.example")
        invite(logged_in(second), role="owner")
        change_role(membership(acme, second), role="admin", by=SYSTEM)

        assert accept(token_in_mail(), make_user(JO)).status_code == 404

    def test_sent_with_a_persons_key_as_much_as_the_persons(self, acme, admin, invite):
        invite(ApiClient(headers=bearer(acme.key_of(admin))))
        jo = make_user(JO)
        change_role(membership(acme, admin), role="member", by=SYSTEM)
        refused = accept(token_in_mail(), jo)
        change_role(membership(acme, admin), role="admin", by=SYSTEM)

        assert refused.status_code == 404
        assert accept(token_in_mail(), jo).status_code == 201


def test_all_of_it_stands_in_the_audit_log(acme, invite):
    invite()
    accept(token_in_mail(), make_user(JO))
    made = invite(email="b@x.example").json()
    acme.client.delete(f"{acme.path}/invitations/{made['id']}")

    events = AuditEvent.objects.for_tenant(acme.id).filter(object_type="invitation").order_by("seq")
    assert [(event.action, event.object_label, event.actor_label) for event in events] == [
        ("invitation.created", JO, "owner key"),
        ("invitation.accepted", JO, JO),
        ("invitation.created", "b@x.example", "owner key"),
        ("invitation.withdrawn", "b@x.example", "owner key"),
    ]


class TestSigningUp:
    @pytest.fixture(autouse=True)
    def _by_invitation(self, settings):
        settings.SIGNUP = "invite"

    def sign_up(self, email=JO):
        return ApiClient().post(f"{APP}/auth/signup", {"email": email, "password": PASSWORD})

    def test_who_was_invited_signs_up_and_joins(self, acme, invite):
        invite()
        token = token_in_mail()
        signing_up = self.sign_up("Jo@acme.example")
        key = re.search(r"/account/verify-email/(\S+)", mail.outbox[-1].body)[1]
        ApiClient().post(f"{APP}/auth/email/verify", {"key": key.replace("%3A", ":")})
        session = ApiClient().post(f"{APP}/auth/login", {"email": JO, "password": PASSWORD}).json()["meta"]
        client = ApiClient(headers={"X-Session-Token": session["session_token"]})

        assert signing_up.status_code == 401  # until the address is verified
        assert client.post(f"/api/v1/invitations/{token}/accept").status_code == 201

    def test_the_address_must_be_proven_before_anything_opens(self, acme, invite):
        invite()
        self.sign_up()

        assert ApiClient().post(f"{APP}/auth/login", {"email": JO, "password": PASSWORD}).status_code == 401

    def test_who_was_not_invited_does_not(self, acme, invite):
        invite()

        assert self.sign_up("other@acme.example").status_code == 403
        assert not User.objects.filter(email="other@acme.example").exists()

    def test_an_expired_or_withdrawn_invitation_lets_nobody_sign_up(self, acme, invite):
        made = invite().json()
        with time_machine.travel(timezone.now() + timedelta(days=8)):
            expired = self.sign_up()
        acme.client.delete(f"{acme.path}/invitations/{made['id']}")

        assert (expired.status_code, self.sign_up().status_code) == (403, 403)

    def test_a_closed_house_stays_closed(self, acme, invite, settings):
        settings.SIGNUP = "closed"
        invite()

        assert self.sign_up().status_code == 403
