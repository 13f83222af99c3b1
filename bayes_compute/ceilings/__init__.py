"""What compute is limited by: the mathematics of the ceilings that ``models`` fits."""
