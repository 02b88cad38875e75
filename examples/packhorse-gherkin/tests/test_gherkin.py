"""Features as the index holds them."""

from __future__ import annotations

import pytest
from packhorse_gherkin import plugin
from packhorse_gherkin.scenarios import cut

FEATURE = """\
# language: en
@payment
Feature: Paying by card
  As a customer I want to pay.

  Background:
    Given a basket

  # The issuer says so.
  @slow
  Scenario: The card has expired
    When I pay
    Then I am told

  Scenario Outline: Amounts
    When I pay <amount>

    Examples:
      | amount |
      | 1      |
"""


def test_a_scenario_is_whole_with_its_tags_and_its_examples():
    found = [(piece.start_line, piece.end_line, piece.kind, piece.symbol, piece.scope) for piece in cut(FEATURE)]
    assert found == [
        (1, 5, "feature", "Paying by card", None),
        (6, 8, "background", None, "Paying by card"),
        (9, 14, "scenario", "The card has expired", "Paying by card"),
        (15, 20, "scenario", "Amounts", "Paying by card"),
    ]


@pytest.mark.parametrize("text", ["", "\n", "no feature", "Feature:\nFeature:\n", "@a\n@b\nFeature: x", FEATURE * 3])
def test_every_line_is_in_one_piece(text):
    pieces = cut(text)
    lines = text.count("\n") + (not text.endswith("\n"))
    covered = [number for piece in pieces for number in range(piece.start_line, piece.end_line + 1)]
    assert covered == list(range(1, lines + 1)) or not text


def test_the_hooks_name_the_language_and_its_chunker():
    [language] = plugin.register_languages()
    assert language.extensions == ("feature",)
    assert plugin.register_chunkers()[language.name] is cut
