"""What a browser, a monitoring system and a script see over HTTP: the status page, health, metrics, the drop area.

Served on the control socket's thread, behind checks of host, origin and token. Files dropped here are put into the
watched directory, and take the way of every other file from there on.
"""
