"""What two documents on SQLModel set out to do, done with Fieldstone; and what happens without it."""
