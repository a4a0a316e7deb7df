"""Whatever is no markup is escaped where it is put in."""

from __future__ import annotations

from blindspot.demo.markup import Markup, element, escape, join, table

HOSTILE = "<script>x</script>\"'&\u202e\x07"
TAME = "&lt;script&gt;x&lt;/script&gt;&quot;&#x27;&amp;��"


def test_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", HOSTILE, element("b", 3)) == f"<p>{TAME}<b>3</b></p>"
    assert join([None, "a<b", Markup("<i>")]) == "a&lt;b<i>"
    assert isinstance(escape("x"), Markup)


def test_attributes_are_escaped_named_and_left_out() -> None:
    made = element("img", alt=HOSTILE, class_="a", aria_label=None, hidden=True, draggable=False)
    assert made == f'<img alt="{TAME}" class="a" hidden>'


def test_a_table_names_its_rows_and_columns() -> None:
    made = table("Two", ((("both", 2),), ("a", "b")), (("x<", 1),))
    assert '<th colspan="2" scope="colgroup">both</th>' in made
    assert '<th scope="col">a</th><th scope="col">b</th>' in made
    assert '<th scope="row">x&lt;</th><td>1</td>' in made
    assert 'role="region" aria-label="Two"' in made
