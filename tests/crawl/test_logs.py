from __future__ import annotations

import io
import logging

from crawl.logs import LOGGERS, TOO_LOUD, clean_logs


def test_records_become_clean_lines_with_where_it_happened() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    hidden = "SEC" + "RET"  # frames show source lines
    with clean_logs(handler):
        try:
            raise RuntimeError(f"bad\r\nthing at http://user:{hidden}@a.test/")
        except RuntimeError:
            logging.getLogger("scrapy.core.scraper").exception("while reading %s", "\x1b[2J")
        logging.getLogger("scrapy").info("not worth a line")
        for name in TOO_LOUD:
            logging.getLogger(name).error("has its row already")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "while reading \\x1b[2J (RuntimeError: bad\\r\\nthing at http://a.test/)"
    assert __file__ in lines[1]
    assert hidden not in stream.getvalue()
    assert "row already" not in stream.getvalue()
    assert "not worth" not in stream.getvalue()


def test_loggers_are_left_as_they_were() -> None:
    def state() -> list[object]:
        loggers = [logging.getLogger(name) for name in (*LOGGERS, *TOO_LOUD)]
        return [(logger.handlers, logger.propagate, logger.level) for logger in loggers]

    before = state()
    handler = logging.NullHandler()
    with clean_logs(handler):
        assert state() != before
    assert state() == before
    assert handler.filters == []
