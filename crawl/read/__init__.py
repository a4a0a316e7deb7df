"""What answers name: pages, style sheets, feeds, sitemaps and lists, read. No sockets, no store."""
