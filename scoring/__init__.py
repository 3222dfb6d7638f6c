"""Using trained detectors: conversion of published weights."""
