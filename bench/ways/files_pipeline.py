"""Scrapy FilesPipeline."""

from scrapy_pipeline import run

run("scrapy.pipelines.files.FilesPipeline", "FILES_STORE")
