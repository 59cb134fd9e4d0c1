"""A plan as a picture: what is drawn, where it stands, and the formats it is written in."""
