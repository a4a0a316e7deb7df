"""Scrapy ImagesPipeline."""

from scrapy_pipeline import run

run("scrapy.pipelines.images.ImagesPipeline", "IMAGES_STORE")
