"""One upload outside any watched directory, of a file, a stream or what a URL leads to."""
