"""Fine-tuning: a model adapted to a team's own labels and texts, and the rows worth labelling next."""
