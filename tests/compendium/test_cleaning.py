"""Pages carry what they use: icons that are named, signatures without marks that nothing styles."""

from importlib import resources

from fontTools.ttLib import TTFont

from rollstate.compendium import cleaning

CSS = (
    '@font-face{src:url(../fonts/fa-solid-900.woff2) format("woff2"),url(../fonts/fa-solid-900.ttf) format("truetype")}'
    '.fa-bars:before,.fa-navicon:before{content:"\\f0c9"}.fa-hat:before{content:"\\e000"}a:after{content:"\\f062"}'
)


def test_rules_of_icons_that_nothing_names_go():
    assert "\\f0c9" in cleaning.keep_icons(CSS, '<i class="fa-solid fa-navicon">')
    assert "\\e000" not in cleaning.keep_icons(CSS, '<i class="fa-solid fa-navicon">')
    assert "a:after" in cleaning.keep_icons(CSS, "")


def test_the_font_holds_the_icons_that_are_left_and_comes_out_the_same(tmp_path):
    theme = resources.files("pydata_sphinx_theme") / "theme/pydata_sphinx_theme/static/vendor/fontawesome"
    made = []
    for name in ("one", "two"):
        fonts = tmp_path / name / "_static" / "fonts"
        fonts.mkdir(parents=True)
        for kind in ("ttf", "woff2"):
            source = theme / "webfonts" / f"fa-solid-900.{kind}"
            (fonts / source.name).write_bytes(source.read_bytes())
        sheet = fonts.parent / "theme.css"
        sheet.write_text(CSS)
        (tmp_path / name / "a.html").write_text('<i class="fa-solid fa-bars"></i>')
        cleaning.clean(tmp_path / name)
        assert 'fa-solid-900.woff) format("woff")' in sheet.read_text()
        made.append((fonts / "fa-solid-900.woff").read_bytes())
        assert sorted(path.name for path in fonts.iterdir()) == ["fa-solid-900.woff"]
        assert {0xF0C9, 0xF062} <= set(TTFont(fonts / "fa-solid-900.woff").getBestCmap())
    assert made[0] == made[1]
    assert len(made[0]) < 10_000


def test_a_signature_keeps_its_words_and_links():
    word, link = (
        '<span class="n"><span class="pre">x</span></span>',
        '<a href="#b"><span class="pre">B</span></a>',
    )
    text = f'<dt class="sig py" id="a"><em>{word}<span class="w"> </span>{link}</em></dt>'
    assert cleaning.clean_page(text) == '<dt class="sig py" id="a"><em>x <a href="#b">B</a></em></dt>'
