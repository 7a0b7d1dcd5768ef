"""Tables, figures and files for people and for other programs."""
