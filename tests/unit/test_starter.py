"""The configuration file to begin with is one, whatever is uncommented in it."""

from __future__ import annotations

import re
import tomllib

from hf_watch.settings import starter
from hf_watch.settings.settings import Settings, TargetSettings

TEXT = "\n".join(starter.lines())
BARE = Settings(target=(TargetSettings.model_validate(starter.GIVEN),))


def test_it_is_valid_and_says_nothing_but_the_defaults() -> None:
    assert Settings.model_validate(tomllib.loads(TEXT)) == BARE


def test_every_default_can_be_uncommented() -> None:
    uncommented = re.sub(r"^# (\w+ = )", r"\1", TEXT, flags=re.MULTILINE)
    assert uncommented != TEXT
    assert Settings.model_validate(tomllib.loads(uncommented)) == BARE


def test_every_setting_stands_in_it_with_its_description() -> None:
    for name, found in TargetSettings.model_fields.items():
        assert re.search(rf"^## {re.escape(found.description or '')}\n(# )?{name} =", TEXT, re.MULTILINE), name
