"""The parts put together: settings → adapters → workers → process. Only here is it known which adapter a port has."""
