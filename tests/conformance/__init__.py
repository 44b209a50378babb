"""SQLModel's own tests, run against Fieldstone: what plain SQLModel promises still holds here."""
