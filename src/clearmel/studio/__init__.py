"""The web page on which people denoise, cut, separate and classify recordings and compare the results."""
