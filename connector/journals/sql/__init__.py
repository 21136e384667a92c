"""What journals in any SQL store share."""
