"""Settings are taken from the environment as they are written there."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import AsWritten, Settings


def settings(values: dict[str, str]) -> Settings:
    own = Settings()
    own.ENVIRON = AsWritten(values)
    own.escape_proxy = True
    return own


@pytest.mark.parametrize("value", ["$ecret", "a$b", r"a\$b", "$", "with space"])
def test_a_dollar_means_a_dollar(value):
    assert settings({"SECRET_KEY": value}).str("SECRET_KEY") == value


def test_the_newline_that_ends_a_file_is_not_part_of_the_value(tmp_path):
    (tmp_path / "url").write_text("postgres://u:p@db:5432/modelyard\n")
    database = settings({"DATABASE_URL_FILE": str(tmp_path / "url")}).db_url("DATABASE_URL")
    assert database["NAME"] == "modelyard"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ImproperlyConfigured, match=f"SECRET_KEY_FILE.*{tmp_path}/none"):
        settings({"SECRET_KEY_FILE": str(tmp_path / "none")}).str("SECRET_KEY")


def test_a_setting_that_is_nowhere_takes_its_default():
    assert settings({}).int("WEB_THREADS", 8) == 8
