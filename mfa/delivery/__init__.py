"""E-mail and SMS: the outbox, its workers, what messages say, and one function a gateway."""
