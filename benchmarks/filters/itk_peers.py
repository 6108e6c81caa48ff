"""Peers of the ITK family, at one thread. Copying numpy arrays in and out is not counted."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Call = Callable[[], object]
SIGMAS_PX = (1.5, 2.5, 4.0)
WAVELENGTHS_PX = (6.0, 12.6, 26.5)


def _simpleitk() -> Any:
    library: Any = import_module("SimpleITK")
    library.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    return library


def gradient_diffusion(image: F32) -> Call:
    """Perona and Malik, 30 iterations."""
    sitk = _simpleitk()
    picture = sitk.GetImageFromArray(image)
    return lambda: sitk.GradientAnisotropicDiffusion(picture, 0.125, 3.0, 1, 30)


def curvature_diffusion(image: F32) -> Call:
    """Diffuse by modified curvature, 30 iterations."""
    sitk = _simpleitk()
    picture = sitk.GetImageFromArray(image)
    return lambda: sitk.CurvatureAnisotropicDiffusion(picture, 0.125, 3.0, 1, 30)


def objectness(image: F32) -> Call:
    """Frangi's measure at three scales: recursive Gaussian, objectness, maximum."""
    sitk = _simpleitk()
    picture = sitk.GetImageFromArray(image)
    measure = sitk.ObjectnessMeasureImageFilter()
    measure.SetObjectDimension(1)
    measure.SetBrightObject(True)
    measure.SetScaleObjectnessMeasure(False)
    measure.SetBeta(0.5)

    def run() -> object:
        best = None
        for sigma in SIGMAS_PX:
            measure.SetGamma(15.0 / sigma**2)  # the same as a normalised Hessian with 15
            response = measure.Execute(sitk.SmoothingRecursiveGaussian(picture, sigma))
            best = response if best is None else sitk.Maximum(best, response)
        return best

    return run


def phase_symmetry(image: F32) -> Call:
    """Three scales, the filter's own two orientations, bright; making its filter bank is not counted."""
    try:
        itk: Any = import_module("itk")
        kind = itk.Image[itk.F, 2]
        symmetry = itk.PhaseSymmetryImageFilter[kind, kind].New()
    except (AttributeError, OSError, RuntimeError) as error:
        raise ImportError(f"itk-phasesymmetry does not load (it needs libtbb.so.12): {type(error).__name__}") from None
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(1)
    wavelengths = itk.Array2D[itk.D](len(WAVELENGTHS_PX), 2)
    for scale, px in enumerate(WAVELENGTHS_PX):
        for axis in (0, 1):
            wavelengths.SetElement(scale, axis, px)
    symmetry.SetInput(itk.image_from_array(image))
    symmetry.SetWavelengths(wavelengths)
    symmetry.SetPolarity(1)
    symmetry.SetNumberOfWorkUnits(1)
    symmetry.Initialize()

    def run() -> object:
        symmetry.Modified()
        symmetry.Update()
        return symmetry.GetOutput()

    return run
