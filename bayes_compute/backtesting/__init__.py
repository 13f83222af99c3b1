"""Backtests in real time: dated tables, fitted, projected, and scored by what later ones know."""
