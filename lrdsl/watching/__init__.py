"""A schedule's curve drawn anew at each save: in the terminal, and on a page of one's own."""
