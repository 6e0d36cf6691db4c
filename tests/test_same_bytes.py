"""Two folders are the same to the byte, or each file that differs is named with what differs in it."""

from tools.same_bytes import differences


def test_each_file_that_differs_is_named_with_the_place(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        (root / "pages").mkdir(parents=True)
        (root / "pages" / "a.html").write_text("equal", encoding="utf-8")
    assert differences(first, second) == []
    (first / "index.js").write_text("x" * 500 + "1.25" + "y" * 500, encoding="utf-8")
    (second / "index.js").write_text("x" * 500 + "1.26" + "y" * 500, encoding="utf-8")
    (second / "pages" / "b.html").write_text("new", encoding="utf-8")
    changed, alone = differences(first, second)
    assert changed.startswith("index.js: differs from byte 503 of 1004 and 1004")
    assert "1.25" in changed
    assert "1.26" in changed
    assert len(changed) < 800
    assert alone == f"pages/b.html: only in {second}"
