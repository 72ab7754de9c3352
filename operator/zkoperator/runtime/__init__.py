"""The level-triggered loop, back-off, clock and leader lease that both kinds run on."""
