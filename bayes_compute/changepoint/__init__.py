"""Changepoint regression with its dates, levels and growth integrated out exactly."""
